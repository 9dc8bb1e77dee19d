// What an app writes with the generated clients. It has to compile, strictly; it is not run.
import { client } from './generated/hey-api/client.gen';
import { sendOtp, signUp, ssoSignIn, ssoVerify } from './generated/hey-api/sdk.gen';
import type { paths } from './generated/openapi-typescript';

client.setConfig({ baseUrl: 'http://127.0.0.1:8090' });

export async function signInWithCode(identifier: string, readCode: () => Promise<string>): Promise<string> {
  const sent = await ssoSignIn({ body: { identifier } });
  if (sent.data === undefined) {
    throw new Error(sent.error.message);
  }
  const { challengeId } = sent.data.data;
  const verified = await ssoVerify({ body: { identifier, otp: await readCode(), challengeId } });
  if (verified.data === undefined) {
    throw new Error(verified.error.message);
  }
  return verified.data.data.token;
}

export async function register(name: string, phone: string, password: string): Promise<string> {
  const sent = await signUp({ body: { name, phone, password }, headers: { 'Accept-Language': 'id' } });
  if (sent.data !== undefined) {
    return sent.data.data.challengeId;
  }
  throw new Error(sent.error.message);
}

export async function askAgain(identifier: string, challengeId: string): Promise<number> {
  const sent = await sendOtp({ body: { identifier, purpose: 'sso', challengeId } });
  return sent.data?.data.resendAfterSeconds ?? 0;
}

type Refused = paths['/api/auth/signup']['post']['responses']['400']['content']['application/json'];

export function textFor(refused: Refused): string {
  switch (refused.error) {
    case 'INVALID_PHONE_FORMAT':
      return refused.reason === 'too_short' ? 'Some digits are missing.' : refused.message;
    case 'INVALID_FIELD':
      return `Look at ${refused.field ?? 'the form'}.`;
    default:
      return refused.message;
  }
}

type Session = paths['/api/auth/session']['get']['responses']['200']['content']['application/json'];

export const nameOf = (session: Session): string => session.data.user.name;
